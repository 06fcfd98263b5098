# Airflow as MWAA has it: the bridge and every target, each on its own Python with what its image
# has installed.
#
# Built by `mwaa-harness`, which lays beside it what a row of the version table says: the pinned
# requirements and constraints of the image, uv, and the scripts of this folder. BASE_IMAGE is any
# Debian-like image with a Python of the row's version in /usr/local.
ARG PYTHON=3.12
ARG BASE_IMAGE=python:${PYTHON}-slim-bookworm

FROM ${BASE_IMAGE} AS build
COPY uv requirements.txt constraints.txt overrides.txt /build/
# Some distributions of the bridge's time have no wheel for Linux and need a compiler. Most rows do
# without: it is fetched when the first attempt fails, and what that one had downloaded is used.
RUN install() { \
      /build/uv pip install --python /usr/local/bin/python3 --prefix /install --cache-dir /tmp/uv \
        --compile-bytecode --requirement /build/requirements.txt \
        --constraint /build/constraints.txt --overrides /build/overrides.txt; \
    } \
 && { install || { apt-get update \
      && apt-get install --yes --no-install-recommends gcc g++ libc6-dev \
      && rm -rf /var/lib/apt/lists/* && install; }; } \
 && rm -rf /tmp/uv

FROM ${BASE_IMAGE}
ARG AIRFLOW_VERSION
RUN groupadd --gid 1000 airflow \
 && useradd --uid 1000 --gid 1000 --home-dir /usr/local/airflow --shell /bin/bash airflow \
 && for folder in . dags plugins requirements startup logs; do \
      install -d -o airflow -g airflow "/usr/local/airflow/$folder"; \
    done
COPY --from=build /install /usr/local
COPY constraints.txt essential.txt rules.json entrypoint.py health.py /usr/local/lib/mwaa-harness/
ENV AIRFLOW_HOME=/usr/local/airflow \
    AIRFLOW_VERSION=${AIRFLOW_VERSION} \
    PATH=/usr/local/airflow/.local/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONUNBUFFERED=1
USER airflow
WORKDIR /usr/local/airflow
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=10s --start-period=900s --retries=6 \
  CMD ["python3", "/usr/local/lib/mwaa-harness/health.py"]
ENTRYPOINT ["python3", "/usr/local/lib/mwaa-harness/entrypoint.py"]
CMD ["local-runner"]
