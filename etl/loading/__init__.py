"""From a batch of files to rows in ``zeek.conn``: ledger, staging, publishing, undoing; all are handed a connection.

What a step does as a whole (``filling.stage``, ``publishing.prepare`` and ``publish``, ``undoing.unload``) and what is
asked or noted on its own (most of ``ledger``) begins its own transactions. What is part of such a step runs in the
transaction that it is called in: ``staging``, ``locking``, the rest of ``undoing``, ``ledger.batch_files``.
"""
