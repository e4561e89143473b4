"""What would happen: the real schedulers in a world of numbers. Pure: a day of requests takes seconds, always the same.

`engine` plays a machine against durations; `day` is what a recording says about them; `synthetic` invents a day;
`ledger` counts; `settings` changes the settings of a day.
"""
