# The reporting service. docs/service.md says how to run it.
FROM python:3.13-slim AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY ci_itest ci_itest
COPY report_templates report_templates
RUN python -m venv /opt/ci-itest && /opt/ci-itest/bin/pip install --no-cache-dir '.[service]'

FROM python:3.13-slim
COPY --from=build /opt/ci-itest /opt/ci-itest
RUN useradd --system --uid 10001 --home-dir /data ci-itest && install -d -o ci-itest -g ci-itest /data
USER ci-itest
WORKDIR /data
VOLUME /data
ENV PATH=/opt/ci-itest/bin:$PATH PYTHONUNBUFFERED=1 CI_ITEST_DATABASE_URL=/data/ci-itest.sqlite
EXPOSE 8420
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8420/readyz', timeout=4)"]
ENTRYPOINT ["ci-itest", "serve", "--host", "0.0.0.0"]
