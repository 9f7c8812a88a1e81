// Shows a picture with its description and caption; a new picture takes the place of the old one.

function render({ model, el }) {
  const image = document.createElement("img");
  const caption = document.createElement("figcaption");
  const figure = document.createElement("figure");
  figure.className = "pnn-figure";
  figure.append(image, caption);

  const draw = () => {
    const old = image.src;
    image.src = URL.createObjectURL(new Blob([model.get("png")], { type: "image/png" }));
    image.alt = model.get("alt");
    caption.textContent = model.get("caption");
    caption.hidden = !caption.textContent;
    if (old) URL.revokeObjectURL(old);
  };
  const changes = ["png", "alt", "caption"].map((name) => `change:${name}`).join(" ");
  model.on(changes, draw);
  draw();
  el.append(figure);
  return () => {
    model.off(changes, draw);
    URL.revokeObjectURL(image.src);
  };
}

export default { render };
