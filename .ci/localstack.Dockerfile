# A stand-in for localstack/localstack:4.14.0 where no image registry can be reached: the same
# version from Python's package index, with the same port and health page.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
# As of this day, since it leaves its dependencies' versions open and does not start with newer ones.
RUN pip install --no-cache-dir uv \
 && uv pip install --system --no-cache --exclude-newer 2026-03-01 'localstack-core[base-runtime,runtime]==4.14.0' \
 && uv cache clean && pip uninstall --yes uv
RUN mkdir -p /var/lib/localstack
ENV GATEWAY_LISTEN=0.0.0.0:4566 PYTHONUNBUFFERED=1
EXPOSE 4566
CMD ["python3", "-m", "localstack.runtime.main"]
