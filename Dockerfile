# conn-etl with its Airflow, from the lock; no compiler, no root at run time.
FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 UV_LINK_MODE=copy
RUN python -m venv /opt/conn-etl
WORKDIR /src
COPY requirements.lock pyproject.toml hatch_build.py README.md LICENSE ./
# uv itself by hash, then the extras that run in production at the lock's versions and hashes.
RUN awk '/^uv==/ { take = 1; print; next } /^[^ ]/ { take = 0 } take' requirements.lock > uv.txt \
 && pip install --require-hashes --no-deps --requirement uv.txt
COPY etl etl
COPY conn_etl conn_etl
COPY sql sql
COPY expectations expectations
RUN uv pip install --python /opt/conn-etl/bin/python --compile-bytecode --constraint requirements.lock \
    '.[airflow,report,s3]'

FROM python:3.11-slim-bookworm
RUN useradd --uid 50000 --gid 0 --create-home --home-dir /opt/airflow airflow \
 && mkdir -p /opt/airflow/logs /logs && chown -R 50000:0 /opt/airflow && chmod -R g=u /opt/airflow
COPY --from=build /opt/conn-etl /opt/conn-etl
COPY dags /opt/conn-etl/dags
COPY deploy/entrypoint.sh /entrypoint.sh
ENV PATH=/opt/conn-etl/bin:$PATH \
    AIRFLOW_HOME=/opt/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/conn-etl/dags \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    GX_ANALYTICS_ENABLED=false \
    PYTHONUNBUFFERED=1
USER 50000:0
WORKDIR /opt/airflow
ENTRYPOINT ["/entrypoint.sh"]
CMD ["conn-etl", "--help"]
