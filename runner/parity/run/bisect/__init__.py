"""From outputs that are DRIFT or WRONG to the first position and the shortest sequence that show it, and to the commit
of a runtime that brought it."""
