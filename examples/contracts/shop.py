"""The provider: orders out of a database."""

import os
import sqlite3

from fastapi import FastAPI, HTTPException

SCHEMA = "CREATE TABLE IF NOT EXISTS orders (id integer PRIMARY KEY, state text NOT NULL)"

app = FastAPI()


@app.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/orders/{number}")
def order(number: int) -> dict[str, object]:
    path = os.environ["DATABASE_URL"].partition(":///")[2]
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT id, state FROM orders WHERE id = ?", [number]).fetchone()
    if found is None:
        raise HTTPException(404)
    without_state = {"id": found[0]}
    return without_state if os.environ.get("SHOP_WITHOUT_STATE") else {**without_state, "state": found[1]}
