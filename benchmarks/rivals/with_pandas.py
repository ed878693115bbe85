"""pandas reads the JSON log in chunks and writes each by ``to_sql``, in one transaction."""

import json

import pandas as pd
import sqlalchemy as sa
from columns import COLUMNS, FILE_ID, timed
from sqlalchemy.dialects.postgresql import INET

CHUNK = 20_000
ADDRESSES = {COLUMNS[name]: INET for name in ("id.orig_h", "id.resp_h")}


def load(log: str, url: str) -> None:
    """Read and send."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg2://", 1))
    with engine.begin() as connection:
        for chunk in pd.read_json(log, lines=True, compression="gzip", chunksize=CHUNK, precise_float=True):
            frame = chunk[[name for name in chunk.columns if name in COLUMNS]].rename(columns=COLUMNS)
            times = (chunk["ts"].astype(float) * 1e6).round().astype("int64")
            frame["@timestamp"] = pd.to_datetime(times, unit="us", utc=True)
            parents = "zeek_connection_tunnel_parents"
            if parents in frame:
                frame[parents] = frame[parents].map(lambda v: json.dumps(v) if isinstance(v, list) else None)
            frame = frame.assign(etl_file_id=FILE_ID, etl_line=0)
            frame.to_sql("conn", connection, schema="zeek", if_exists="append", index=False, dtype=ADDRESSES)


timed(load)
