"""nbgrader's settings for the course.

`python -m grading build` writes a course/nbgrader_config.py that loads this
file, so `nbgrader …` inside course/ works with these settings.
"""

from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import ClearSolutions

from grading.build import LeaveStub

c = get_config()  # noqa: F821 (nbgrader provides it)

c.CourseDirectory.course_id = "deep-discriminative-neural-networks"

# Releasing: nbgrader's own steps, with a stub that says what is missing.
c.GenerateAssignment.preprocessors = [
    LeaveStub if step is ClearSolutions else step for step in GenerateAssignment.preprocessors.default()
]

# Autograding: c.Autograde.autograde_preprocessors stands here.
