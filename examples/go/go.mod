module example.com/shop

go 1.19

require github.com/lib/pq v1.10.7

// Debian's package of the driver (golang-github-lib-pq-dev), so that the example needs no download.
// Without this line Go fetches the module.
replace github.com/lib/pq => /usr/share/gocode/src/github.com/lib/pq
