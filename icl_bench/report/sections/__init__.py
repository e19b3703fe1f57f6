"""The sections of a report, one a file: a section is in every format by being here."""
