# The image of docker compose: Airflow, the DAGs and the library, from the lock. Why not the official Airflow image: it is
# some 1.5 GB with providers nobody here uses, in versions that no hash of ours pins. docs/compose.md has the rest.
ARG PYTHON_IMAGE=python:3.12.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS packages
COPY requirements-image.lock /
# wheels only: nothing is compiled, so no compiler is needed, not even here; pip itself stays outside
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --only-binary :all: --require-hashes \
        --requirement /requirements-image.lock

FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="energy-ingest" \
      org.opencontainers.image.description="Energy-market data, loaded without gaps, on Apache Airflow" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# Any uid may run it, as OpenShift wants, if its group is 0: what is written to belongs to that group, and a uid without an
# entry in /etc/passwd has its name from LOGNAME.
ENV AIRFLOW_HOME=/opt/airflow \
    ENERGY_CODE_VERSION="${REVISION}" \
    HOME=/tmp \
    LOGNAME=airflow \
    PATH="/opt/venv/bin:${PATH}" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/opt/airflow/plugins \
    PYTHONUNBUFFERED=1 \
    PYTHONWARNINGS=ignore
RUN useradd --uid 50000 --gid 0 --no-create-home --home-dir /opt/airflow --shell /usr/sbin/nologin airflow \
    && mkdir /opt/airflow && mkdir --mode 775 /opt/airflow/archive /opt/airflow/inbox /opt/airflow/logs \
    && chown 50000:0 /opt/airflow/archive /opt/airflow/inbox /opt/airflow/logs
COPY --from=packages /opt/venv /opt/venv
COPY include/airflow/ /opt/airflow/
COPY dags/ /opt/airflow/dags/
COPY plugins/ /opt/airflow/plugins/
RUN ln --symbolic /opt/airflow/energy-ingest /usr/local/bin/energy-ingest \
    && python -m compileall -q /opt/airflow/plugins

WORKDIR /opt/airflow
USER 50000:0
EXPOSE 8080
CMD ["airflow", "version"]
