"""TODO."""

CASES = {}

EXEMPT = {
    
}
