"""Reading, checking and judging files of predicted joints."""
