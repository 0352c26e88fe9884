"""What people see of runs, agents and all that they need: objects of the API in, values to show out.

One model for every face: the command line today, a report and a page on top of the same `Story`. Pure: who reads the
objects, and who prints, is in `cli`. No I/O, no colours, no widths of terminals here.
"""
