# The reporting service. docs/service.md says how to run it.
# Another Python from 3.11 on, or the same from a mirror: docker build --build-arg PYTHON_IMAGE=…
ARG PYTHON_IMAGE=python:3.13-slim
FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
# What it stands on first: a layer that stays while only our own modules change.
COPY pyproject.toml ./
RUN python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
      print(*project['dependencies'], *project['optional-dependencies']['service'], sep='\n')" > requirements.txt \
 && python -m venv /opt/ci-itest && /opt/ci-itest/bin/pip install --no-cache-dir --requirement requirements.txt
COPY README.md LICENSE CHANGELOG.md ./
COPY ci_itest ci_itest
COPY report_templates report_templates
RUN /opt/ci-itest/bin/pip install --no-cache-dir '.[service]'

FROM ${PYTHON_IMAGE}
RUN useradd --system --uid 10001 --home-dir /data ci-itest && install -d -o ci-itest -g ci-itest /data
USER ci-itest
WORKDIR /data
VOLUME /data
ENV PATH=/opt/ci-itest/bin:$PATH PYTHONUNBUFFERED=1 CI_ITEST_DATABASE_URL=/data/ci-itest.sqlite
EXPOSE 8420
HEALTHCHECK --interval=10s --timeout=10s --start-period=2m --retries=5 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8420/readyz', timeout=9)"]
ENTRYPOINT ["ci-itest", "serve", "--host", "0.0.0.0"]
# Last: all above stays from one build to the next.
COPY --from=build /opt/ci-itest /opt/ci-itest
