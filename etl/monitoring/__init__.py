"""What an operator asks: is everything loaded, is it right, what needs attention."""
