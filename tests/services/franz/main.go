// The schema registry of franz-go's tests, on an address of its own. It gives ids with gaps, as registries of several
// nodes do, and begins far from 1.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
)

const first, gap = 100_000, 7

func main() {
	registry := srfake.NewRegistry(srfake.WithGlobalCompat(sr.CompatBackward))
	next := first
	skip := func() {
		subject := fmt.Sprintf("somebody-elses-%d", next)
		schema := fmt.Sprintf(`{"type":"record","name":"S%d","fields":[]}`, next)
		registry.SeedSchema(subject, 1, next, sr.Schema{Schema: schema, Type: sr.TypeAvro})
		next += gap
	}
	skip()
	registry.Intercept(func(_ http.ResponseWriter, request *http.Request) bool {
		if request.Method == http.MethodPost {
			skip()
		}
		return false
	})
	log.Fatal(http.ListenAndServe(os.Args[1], registry.Handler()))
}
