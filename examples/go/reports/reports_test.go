package reports

import (
	"testing"

	"example.com/shop/internal/database"
)

func TestSales(t *testing.T) {
	db := database.Cloned(t, "reports")
	for _, days := range []int{1000, 300_000} {
		total, err := Sales(db, days)
		if err != nil || total <= 0 {
			t.Errorf("%d days: %d, %v", days, total, err)
		}
	}
}
