"""The exercises: one file per part of the lecture, and the engine that checks answers.

    exercise   what an exercise is        calling    call a student's function safely
    comparing  is this the right answer?  diagnosis  what to say about it, and the points
    hints      patterns in what differs   borrowed   what an answer takes from torch or pnnlib
    check      what a notebook calls      part_d     the exercises of part d
"""

from .check import check, check_question, exercises_of

__all__ = ["check", "check_question", "exercises_of"]
