// SPDX-License-Identifier: Apache-2.0
// stock PORT REDIS: how many of each product there are, kept in Redis. GET /stock/ID tells it, POST
// /reserve/ID takes one away.
package main

import (
	"bufio"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
)

// As much of a client of Redis as two commands need.
type link struct {
	net.Conn
	*bufio.Reader
}

type pool struct {
	port string
	idle chan link
}

func (p *pool) take() (link, error) {
	select {
	case l := <-p.idle:
		return l, nil
	default:
	}
	conn, err := net.Dial("tcp", "127.0.0.1:"+p.port)
	return link{conn, bufio.NewReader(conn)}, err
}

// The answer's text: of a number, of a string, "" of nil.
func (p *pool) ask(words ...string) (string, error) {
	l, err := p.take()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	fmt.Fprint(l.Conn, b.String())
	text, err := l.ReadString('\n')
	if err == nil && text[0] == '$' && text[1] != '-' {
		text, err = l.ReadString('\n')
	} else if err == nil {
		text = strings.TrimLeft(text, ":$")
	}
	if err != nil {
		l.Close()
		return "", err
	}
	select {
	case p.idle <- l:
	default:
		l.Close()
	}
	return strings.TrimSpace(text), nil
}

func main() {
	redis := &pool{os.Args[2], make(chan link, 32)}
	handle := func(prefix string, words ...string) {
		http.HandleFunc(prefix, func(w http.ResponseWriter, r *http.Request) {
			id := strings.TrimPrefix(r.URL.Path, prefix)
			left, err := redis.ask(append(words, "stock:"+id)...)
			if err != nil {
				http.Error(w, "no stock", http.StatusServiceUnavailable)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"product":%q,"left":%q}`, id, left)
		})
	}
	handle("/stock/", "GET")
	handle("/reserve/", "DECR")
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
