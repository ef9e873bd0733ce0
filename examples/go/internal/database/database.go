// Package database gives each test binary a database of its own: Go runs the packages of a shard side by side.
package database

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	_ "github.com/lib/pq" // the driver
)

const schema = `
	CREATE TABLE products (sku text PRIMARY KEY, price_cents int NOT NULL, stock int NOT NULL);
	CREATE TABLE orders (id serial PRIMARY KEY, total_cents int NOT NULL);
	INSERT INTO products VALUES ('A-1', 2500, 100), ('B-1', 10000, 5), ('B-2', 99, 0);`

// Cloned is a copy of the migrated database for the package that asks, dropped when its test ends.
func Cloned(t *testing.T, name string) *sql.DB {
	t.Helper()
	admin := open(t, "postgres")
	defer admin.Close()
	template := migrated(t, admin)
	copied := fmt.Sprintf("%s_%s_%d", template, name, os.Getpid())
	must(t, locked(admin, fmt.Sprintf("CREATE DATABASE %q TEMPLATE %q", copied, template)))
	db := open(t, copied)
	t.Cleanup(func() {
		db.Close()
		again := open(t, "postgres")
		defer again.Close()
		again.Exec(fmt.Sprintf("DROP DATABASE %q WITH (FORCE)", copied))
	})
	return db
}

// RolledBack runs work in a transaction that leaves nothing: for code that takes a *sql.Tx and does not commit.
func RolledBack(t *testing.T, db *sql.DB, work func(*sql.Tx)) {
	t.Helper()
	tx, err := db.Begin()
	must(t, err)
	defer tx.Rollback()
	work(tx)
}

// Cleaned empties what the tests wrote and fills up the shelves: for code that commits.
func Cleaned(t *testing.T, db *sql.DB) {
	t.Helper()
	_, err := db.Exec("TRUNCATE products, orders RESTART IDENTITY; " + schema[strings.Index(schema, "INSERT"):])
	must(t, err)
}

// migrated is the name of the template, made once by whoever comes first.
func migrated(t *testing.T, admin *sql.DB) string {
	t.Helper()
	const name = "shop_template"
	var found bool
	must(t, admin.QueryRow("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&found))
	if found {
		return name
	}
	if locked(admin, "CREATE DATABASE "+name+"_new") != nil {
		t.Skip("another package prepares the database") // never with the prepare step of ci-itest.toml
	}
	db := open(t, name+"_new")
	_, err := db.Exec(schema)
	must(t, err)
	db.Close()
	must(t, locked(admin, "ALTER DATABASE "+name+"_new RENAME TO "+name))
	return name
}

// locked runs a statement while no other package copies the template: PostgreSQL lets one do it at a time.
func locked(admin *sql.DB, statement string) error {
	tx, err := admin.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.Exec("SELECT pg_advisory_lock(4711)"); err != nil {
		return err
	}
	defer tx.Exec("SELECT pg_advisory_unlock(4711)")
	_, err = admin.Exec(statement)
	return err
}

func open(t *testing.T, name string) *sql.DB {
	t.Helper()
	address, err := url.Parse(os.Getenv("DATABASE_URL"))
	must(t, err)
	address.Path = "/" + name
	query := address.Query()
	query.Set("sslmode", "disable")
	address.RawQuery = query.Encode()
	db, err := sql.Open("postgres", address.String())
	must(t, err)
	return db
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
