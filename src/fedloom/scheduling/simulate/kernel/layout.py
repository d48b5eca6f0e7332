"""The columns of the tables that the compiled core works on.

Few wide tables instead of many arrays: each array that a compiled function is passed costs time,
when it is compiled and when it runs. What is called a list is a column whose entries have nothing
to do with their rows.
"""

from __future__ import annotations

__all__ = [
    "ARRIVAL",
    "AT",
    "BEST",
    "BY_SERVER",
    "CHOSEN",
    "COST",
    "COUNT",
    "COUNTS",
    "DONE",
    "DURATION",
    "END",
    "ESTIMATE",
    "EVICTED",
    "EVICTED_FROM",
    "FIRST_DEVICE",
    "FIRST_NODE",
    "FIRST_TASK",
    "FOLLOWERS",
    "FREE",
    "GANG_MODEL",
    "HELD",
    "IDLE",
    "IDLE_HERE",
    "IN_ENDINGS",
    "IN_EVICTED",
    "IN_FRESH",
    "IN_IDLE",
    "IN_LATER",
    "IN_LINE",
    "IN_SLOTS",
    "KEY",
    "LEAST_STAMP",
    "LEAST_US",
    "LEFT",
    "LINK",
    "LOADS",
    "MEMBERS",
    "MODEL",
    "NOTE_ROWS",
    "NUMBER",
    "ONE",
    "OPENED",
    "PLACE",
    "READY",
    "REQUEST",
    "REQUEST_COLUMNS",
    "RESIDENTS",
    "SEATS",
    "SERVER",
    "SHARE",
    "SIZE",
    "SLOTS",
    "SPEED",
    "STAMP",
    "STAMPS",
    "START",
    "SWITCH",
    "TAKEN",
    "TASK_COLUMNS",
    "THINK",
    "UNKNOWN",
    "WAITING",
]

# Tasks: service model, request, times, place in the queue, tasks it waits for; then the schedule.
MODEL, REQUEST, DURATION, ESTIMATE, KEY, WAITING, READY, START, SWITCH, END = range(10)
TASK_COLUMNS = 10

# Requests: where their tasks, the nodes of their workflows and those who wait for them begin (there
# is a last row for where the last ones end); time of thinking; tasks that have not ended; arrival.
FIRST_TASK, FIRST_NODE, FOLLOWERS, THINK, LEFT, ARRIVAL = range(6)
REQUEST_COLUMNS = 6

# Models: devices of a call; MB on each; then, for each device, the time to load.
SIZE, SHARE, LOADS = range(3)

# Devices: server; free MB; how many instances are there; place among the idle, -1 if busy; order of
# becoming idle. Lists of devices: idle; seats of a gang; by server. What a seat costs; whether it
# is taken. Then the instances, the least recently used first; and last, what bringing each model to
# the device by itself takes, as far as it is known.
SERVER, FREE, HELD, PLACE, STAMP, IDLE, SEATS, BY_SERVER, COST, TAKEN, RESIDENTS = range(11)

UNKNOWN = -2

# Devices, real numbers. In a last row: as speed, what gangs that span servers are slowed down by.
SPEED, LINK = range(2)

# Servers: where their devices begin in the list by server (also in a last row); idle ones.
FIRST_DEVICE, IDLE_HERE = range(2)

# Slots for the instances of gangs: model; list of slots, those in use first; place in that list;
# then the devices, ascending.
GANG_MODEL, SLOTS, AT, MEMBERS = range(4)

# Rows of notes: single numbers; what the last plan evicts, and from where; devices under
# consideration; the best so far; one device.
COUNT, EVICTED, EVICTED_FROM, CHOSEN, BEST, ONE = range(6)
NOTE_ROWS = 6

# Single numbers: entries of the heaps of waiting tasks, of ends, of arrivals in closed loops and of
# tasks that have become ready at this moment; requests outside closed loops that have arrived;
# tasks that have ended and that have entered the queue; how often a device has become idle; idle
# devices; slots in use; instances that the last plan evicts; when the best gang ends; its stamp.
IN_LINE, IN_ENDINGS, IN_LATER, IN_FRESH, OPENED, DONE, NUMBER = range(7)
STAMPS, IN_IDLE, IN_SLOTS, IN_EVICTED, LEAST_US, LEAST_STAMP = range(7, 13)
COUNTS = 13
