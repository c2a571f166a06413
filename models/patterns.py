"""Regular expressions that people write, in forms and kinds of subject: a text is matched in time linear to its length.

Python's own engine goes back and tries again, for hours where `(a+)+$` almost fits, and nothing else runs meanwhile.
The engine here is Rust's `regex` as pydantic has it. It has no look-around and no back-references, which cannot be
matched like this.
"""

from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern is found anywhere in the text; one that is not taken here is found nowhere."""
    try:
        _compiled(pattern).validate_python(text)
    except (SchemaError, ValidationError):
        return False
    return True


def pattern_problem(pattern: str) -> str | None:
    """Why this is no pattern that is taken here; None where it is one."""
    try:
        _compiled(pattern)
    except SchemaError as error:
        return _why(str(error))
    return None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex", strict=True))


def _why(told: str) -> str:
    """The engine draws the pattern and says last what is wrong with it."""
    if "size limit" in told:
        return "it repeats too much; bound the length by maxLength instead"
    return told.rpartition("error: ")[2].strip().partition("\n")[0] or "it cannot be read"
