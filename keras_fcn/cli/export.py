"""stub"""
SUMMARY=EXAMPLE="x"
def add_arguments(p): pass
def run(o): pass
