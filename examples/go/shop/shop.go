// Package shop is an HTTP API on PostgreSQL.
package shop

import (
	"database/sql"
	"encoding/json"
	"net/http"
	"os"
)

const discountFrom = 10_000

type order struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

// Handler serves POST /orders and GET /stock?sku=….
func Handler(db *sql.DB) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/orders", func(w http.ResponseWriter, r *http.Request) {
		var wanted order
		if json.NewDecoder(r.Body).Decode(&wanted) != nil || wanted.Quantity < 1 {
			http.Error(w, "an order has a product and a quantity", http.StatusUnprocessableEntity)
			return
		}
		total, err := place(db, wanted)
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		w.WriteHeader(http.StatusCreated)
		json.NewEncoder(w).Encode(map[string]int{"total_cents": total})
	})
	mux.HandleFunc("/stock", func(w http.ResponseWriter, r *http.Request) {
		var stock int
		if db.QueryRow("SELECT stock FROM products WHERE sku = $1", r.URL.Query().Get("sku")).Scan(&stock) != nil {
			http.NotFound(w, r)
			return
		}
		json.NewEncoder(w).Encode(map[string]int{"stock": stock})
	})
	return mux
}

func place(db *sql.DB, wanted order) (int, error) {
	tx, err := db.Begin()
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	var price int
	err = tx.QueryRow(
		"UPDATE products SET stock = stock - $2 WHERE sku = $1 AND stock >= $2 RETURNING price_cents",
		wanted.SKU, wanted.Quantity).Scan(&price)
	if err != nil {
		return 0, err
	}
	total := Discounted(price * wanted.Quantity)
	if _, err := tx.Exec("INSERT INTO orders (total_cents) VALUES ($1)", total); err != nil {
		return 0, err
	}
	return total, tx.Commit()
}

// Discounted takes ten percent off from 100.00 on. SHOP_BROKEN_DISCOUNT makes it wrong, to see a red run.
func Discounted(cents int) int {
	if cents > discountFrom || (cents == discountFrom && os.Getenv("SHOP_BROKEN_DISCOUNT") == "") {
		return cents * 9 / 10
	}
	return cents
}
