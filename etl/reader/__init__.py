"""From the bytes of a log to blocks of standard rows and rejects: nothing is believed but the content.

The way of a file: ``files`` (the whole) → ``compression`` → ``holes`` → ``chunks`` (whole lines) → ``formats`` (which
one it is: ``signatures``, ``csv_rows``, ``wrapping``) → ``tsv`` (``header``, ``tsv_rows``) or ``jsonl``
(``json_schema``, ``json_fast``, ``json_audit``, and ``json_exact`` for doubtful lines) → ``etl.mapping``. ``tally``
counts what became of the lines, ``raw_lines`` gives lines by number, and ``reread`` takes those of quarantine the same
way. Nothing is imported here: a field's name needs no polars.
"""
