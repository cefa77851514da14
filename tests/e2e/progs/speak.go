// SPDX-License-Identifier: Apache-2.0

// Requests as net/http makes them, over a kept connection and new ones: speak PORT N
package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
)

func ask(r *http.Request, err error) {
	if err == nil {
		var answer *http.Response
		if answer, err = http.DefaultClient.Do(r); err == nil {
			_, err = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	n, _ := strconv.Atoi(os.Args[2])
	for i := 0; i < n; i++ {
		url := fmt.Sprintf("http://127.0.0.1:%s/go/%d", os.Args[1], i)
		switch i % 4 {
		case 0:
			ask(http.NewRequest("GET", url, nil))
		case 1:
			ask(http.NewRequest("POST", url, bytes.NewReader(make([]byte, 50000))))
		case 2: // of a length that is not known: chunked
			ask(http.NewRequest("POST", url, io.MultiReader(strings.NewReader("some"), strings.NewReader(" words"))))
		case 3: // the next one has a connection of its own
			r, err := http.NewRequest("GET", url, nil)
			if r != nil {
				r.Close = true
			}
			ask(r, err)
		}
	}
}
