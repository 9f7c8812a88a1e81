"""nbgrader's settings for the course.

`python -m grading build` writes a course/nbgrader_config.py that loads this
file, so `nbgrader …` inside course/ works with these settings.
"""

from nbgrader.converters import Autograde, GenerateAssignment
from nbgrader.preprocessors import ClearSolutions, Execute

from grading.autograde import Judge, Sanitise
from grading.build import LeaveStub

c = get_config()  # noqa: F821 (nbgrader provides it)

c.CourseDirectory.course_id = "deep-discriminative-neural-networks"

# Releasing: nbgrader's own steps, with a stub that says what is missing.
c.GenerateAssignment.preprocessors = [
    LeaveStub if step is ClearSolutions else step for step in GenerateAssignment.preprocessors.default()
]

# Autograding: nbgrader's own steps, but the judge runs the hand-in, and what it gets is in order.
# c.Judge.seed = "…" repeats a marking, c.Judge.limits = {"seconds": 60} is more patient,
# c.Judge.jail = False does without bubblewrap.
c.Autograde.sanitize_preprocessors = [Sanitise, *Autograde.sanitize_preprocessors.default()]
c.Autograde.autograde_preprocessors = [
    Judge if step is Execute else step for step in Autograde.autograde_preprocessors.default()
]
