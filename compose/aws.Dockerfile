# The emulated AWS of the pair: moto server, all services on one port, everything in memory.
ARG BASE_IMAGE=python:3.12-slim-bookworm

FROM ${BASE_IMAGE} AS build
COPY uv requirements.txt /build/
RUN /build/uv pip install --python /usr/local/bin/python3 --prefix /install --no-cache --compile-bytecode \
      --requirement /build/requirements.txt

FROM ${BASE_IMAGE}
RUN groupadd --gid 1000 moto && useradd --uid 1000 --gid 1000 --no-create-home moto
COPY --from=build /install /usr/local
COPY moto_process.py /usr/local/lib/mwaa-harness/
ENV PYTHONUNBUFFERED=1
USER moto
EXPOSE 5000
HEALTHCHECK --interval=5s --timeout=10s --start-period=60s --retries=6 \
  CMD ["python3", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:5000/moto-api/data.json', timeout=8)"]
ENTRYPOINT ["python3", "-P", "-B", "/usr/local/lib/mwaa-harness/moto_process.py", "5000"]
