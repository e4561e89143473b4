"""The expanded tree -> a finished `Config`, or problems: typed values, then what they mean to each other."""
