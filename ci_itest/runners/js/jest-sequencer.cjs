// Order of Jest's files in a replay: as recorded. Jest would begin with what took long or failed here.
"use strict";

const { Journal } = require("./journal.cjs");

class CiItestSequencer {
  constructor() {
    this.journal = new Journal();
  }

  sort(tests) {
    return this.journal.ordered([...tests], (test) => test.path);
  }

  shard(tests) {
    return tests;
  }

  allFailedTests(tests) {
    return tests;
  }

  cacheResults() {}
}

module.exports = CiItestSequencer;
