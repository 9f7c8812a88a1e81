# make lab      open the course in JupyterLab       (ARGS=--no-browser serves headless)
# make test     everything CI runs
# make build    write notebooks/ and the nbgrader course from grading/source
# make mark-samples   mark the sample class
# make bench-mark     how fast a class is marked, in turns with plain nbgrader
# make bench    the library's speed against PyTorch   (ARGS="--threads 2")
# make bench-explore   how fast the panels answer in JupyterLab   (ARGS="--only explore_chain")

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# in a container one often is root, which Jupyter wants to be told
ROOT_TOO := $(if $(filter 0,$(shell id -u)),--allow-root)

.PHONY: lab test build mark-samples bench bench-explore bench-mark
lab: .venv/course.stamp
	$(BIN)/jupyter lab --notebook-dir=notebooks --LabApp.default_url=/lab/tree/start_here.ipynb $(ROOT_TOO) $(ARGS)

# One thread for each of pytest's workers: they share the processors, and more would wait for each other.
test: export OPENBLAS_NUM_THREADS = 1
test: export OMP_NUM_THREADS = 1
test: .venv/dev.stamp
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

build: .venv/grading.stamp
	$(BIN)/python -m grading build

mark-samples: .venv/grading.stamp
	$(BIN)/python -m grading mark part_d --from grading/samples/part_d --to marked

bench: .venv/course.stamp
	$(BIN)/python benchmarks/bench_library.py $(ARGS)

bench-mark: .venv/grading.stamp
	$(BIN)/python -m benchmarks.bench_mark $(ARGS)

bench-explore: .venv/dev.stamp
	$(BIN)/python benchmarks/bench_explore.py $(ARGS)

# One stamp per set of extras: a change of the requirements installs again.
.venv/course.stamp: EXTRAS = course
.venv/grading.stamp: EXTRAS = course,grading
.venv/dev.stamp: EXTRAS = course,grading,dev
.venv/%.stamp: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRAS)]'
	touch $@
