"""Stories of runs as HTML: the report, which is one file, and the parts of the live page. Pure.

Every text of a run, of a model or of a tool is foreign: the templates escape whatever they show, and nothing of it
becomes markup, neither HTML nor Markdown. Who reads the runs, and who serves the page, is in `cli`.
"""
