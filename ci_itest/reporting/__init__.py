"""A merged run for people: HTML page, pull-request comment, summaries, annotations."""
