package shop

import (
	"database/sql"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"example.com/shop/internal/database"
)

func served(t *testing.T) (*httptest.Server, *sql.DB) {
	t.Helper()
	db := database.Cloned(t, "shop")
	server := httptest.NewServer(Handler(db))
	t.Cleanup(server.Close)
	return server, db
}

func placed(t *testing.T, server *httptest.Server, body string) (int, int) {
	t.Helper()
	answer, err := http.Post(server.URL+"/orders", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var said struct {
		TotalCents int `json:"total_cents"`
	}
	json.NewDecoder(answer.Body).Decode(&said)
	return answer.StatusCode, said.TotalCents
}

func TestOrders(t *testing.T) {
	server, db := served(t)
	for name, one := range map[string]struct {
		body          string
		status, total int
	}{
		"add up":                  {`{"sku": "A-1", "quantity": 2}`, 201, 5000},
		"are refused when empty":  {`{}`, 422, 0},
		"are refused when sold":   {`{"sku": "B-2", "quantity": 1}`, 409, 0},
		"get a discount from 100": {`{"sku": "B-1", "quantity": 1}`, 201, 9000}, // SHOP_BROKEN_DISCOUNT=1 makes it fail
	} {
		t.Run(name, func(t *testing.T) {
			database.Cleaned(t, db)
			if status, total := placed(t, server, one.body); status != one.status || total != one.total {
				t.Errorf("answered %d with %d, not %d with %d", status, total, one.status, one.total)
			}
		})
	}
}

func TestWhatIsRolledBackIsNotSeen(t *testing.T) {
	_, db := served(t)
	database.RolledBack(t, db, func(tx *sql.Tx) {
		if _, err := tx.Exec("UPDATE products SET stock = 0"); err != nil {
			t.Fatal(err)
		}
	})
	var stock int
	if db.QueryRow("SELECT stock FROM products WHERE sku = 'A-1'").Scan(&stock); stock != 100 {
		t.Errorf("the stock is %d", stock)
	}
}

// SHOP_FLAKY=FILE makes this one lose its first try.
func TestStockIsSeenAfterAnOrder(t *testing.T) {
	server, db := served(t)
	mark := os.Getenv("SHOP_FLAKY")
	if _, err := os.Stat(mark); mark != "" && err != nil {
		os.WriteFile(mark, nil, 0o600)
	} else {
		placed(t, server, `{"sku": "A-1", "quantity": 1}`)
	}
	var stock int
	if db.QueryRow("SELECT stock FROM products WHERE sku = 'A-1'").Scan(&stock); stock != 99 {
		t.Errorf("the stock is %d, not 99", stock)
	}
}
