// Reporter of Jest 27 and newer: every case as it ends (and starts, from Jest 29 on).
"use strict";

const { Journal } = require("./journal.cjs");

const OUTCOMES = { passed: "passed", failed: "failed", focused: "passed" };

class CiItestReporter {
  constructor() {
    this.journal = new Journal();
    this.started = new Set();
  }

  onTestCaseStart(test, info) {
    const file = this.journal.file(test.path);
    if (file === undefined) return;
    const name = this.journal.name([...(info.ancestorTitles ?? []), info.title]);
    const id = `${file}::${this.journal.numbered(`start ${file} ${projectOf(test)}`, project(test) + name)}`;
    this.started.add(id);
    this.journal.start(id, { at: info.startedAt ?? new Date(), worker: this.worker(file) });
  }

  onTestCaseResult(test, result) {
    if (result.status === "pending" || result.status === "todo" || result.status === "disabled") return;
    this.take(test, result);
  }

  onTestResult(test, results) {
    const file = this.journal.file(test.path);
    if (file === undefined) return;
    if (results.testExecError && !results.testResults.length) return this.broken(file, results);
    const skipped = results.testResults.filter((result) => !(result.status in OUTCOMES));
    for (const result of skipped) this.take(test, result, "skipped");
    if (!this.collectedFiles?.has(file)) this.journal.collected(file, []);
  }

  take(test, result, outcome = OUTCOMES[result.status] ?? "skipped") {
    const file = this.journal.file(test.path);
    if (file === undefined) return;
    const name = project(test) + this.journal.name([...result.ancestorTitles, result.title]);
    const id = `${file}::${this.journal.numbered(`end ${file} ${projectOf(test)}`, name)}`;
    const worker = this.worker(file);
    this.journal.collected(file, [id]);
    (this.collectedFiles ??= new Set()).add(file);
    if (!this.started.has(id) && outcome !== "skipped") this.journal.start(id, { worker });
    const earlier = result.retryReasons ?? [];
    const attempts = Math.max(result.invocations ?? 1, earlier.length + 1);
    for (let number = 1; number < attempts; number += 1) {
      const reason = earlier[number - 1] ?? "failed; jest.retryTimes without logErrorsBeforeRetry keeps no reason";
      this.journal.end(id, { number, worker, outcome: "failed", errors: [reason] });
      this.journal.start(id, { number: number + 1, worker });
    }
    this.journal.end(id, {
      number: attempts,
      worker,
      outcome,
      milliseconds: result.duration ?? 0,
      errors: result.failureMessages ?? [],
      line: result.location?.line ?? 0,
    });
  }

  broken(file, results) {
    const errors = [results.testExecError.message ?? results.failureMessage];
    this.journal.broken(file, errors);
  }

  // Jest runs a file in one worker and does not say in which: a file is a queue of its own.
  worker(file) {
    return file;
  }
}

function projectOf(test) {
  const name = test.context?.config?.displayName?.name ?? "";
  return name;
}

function project(test) {
  return projectOf(test) ? `[${projectOf(test)}] > ` : "";
}

module.exports = CiItestReporter;
