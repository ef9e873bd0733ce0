module.exports = { testEnvironment: "node", testMatch: ["<rootDir>/tests/**/*.test.js"] };
