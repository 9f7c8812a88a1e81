"""The exercises: one file per part of the lecture, and the engine that checks answers.

    exercise   what an exercise is              case       one call of a student's function
    given      functions and generators in it   calling    call a student's function safely
    comparing  is this the right answer?        features   and where chance is in it?
    diagnosis  what to say, and the points      hints      patterns in what differs
    showing    a case and two answers as text   borrowed   what an answer takes from torch or pnnlib
    answers    typed-in letters and numbers     check      what a notebook calls
    mine       answers in pnnlib's layers       earlier    answers of another notebook
    part_a …   the exercises of each part
"""

from .check import check, check_question, exercises_of
from .earlier import my_answers
from .mine import use_library, use_mine, whose

__all__ = ["check", "check_question", "exercises_of", "my_answers", "use_library", "use_mine", "whose"]
