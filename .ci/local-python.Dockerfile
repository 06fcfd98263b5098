# A stand-in for python:<minor>-slim-bookworm, from an interpreter of this machine.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
ARG MINOR
COPY python /usr/local
# Its RPATH points into the folder that it was built in: the loader's cache has to find libpython.
RUN ldconfig \
 && ln -sf python${MINOR} /usr/local/bin/python3 && ln -sf python3 /usr/local/bin/python \
 && mkdir -p /usr/local/lib/python${MINOR}/site-packages \
 && python3 -m ensurepip && ln -sf pip3 /usr/local/bin/pip \
 && python3 -c "import ssl, sqlite3, ctypes, bz2, lzma, zlib, readline, uuid"
CMD ["python3"]
