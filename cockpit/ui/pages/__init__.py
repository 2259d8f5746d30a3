"""The pages below the header. Each is a pure function of the state, the view, a size and the time."""
