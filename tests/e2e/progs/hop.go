// SPDX-License-Identifier: Apache-2.0
// hop PORT NEXT [PASS]: as hop.py, in goroutines.
package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
)

// As much of a client of PostgreSQL as a query needs.
type postgres struct{ net.Conn }

func (p postgres) finish() {
	head := make([]byte, 5)
	for {
		if _, err := io.ReadFull(p, head); err != nil {
			panic(err)
		}
		io.CopyN(io.Discard, p, int64(binary.BigEndian.Uint32(head[1:]))-4)
		if head[0] == 'Z' {
			return
		}
	}
}

func connect(port string) postgres {
	conn, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		panic(err)
	}
	words := "user\x00postgres\x00database\x00postgres\x00\x00"
	head := make([]byte, 8)
	binary.BigEndian.PutUint32(head, uint32(len(words)+8))
	binary.BigEndian.PutUint32(head[4:], 196608)
	conn.Write(append(head, words...))
	p := postgres{conn}
	p.finish()
	return p
}

func (p postgres) query(text string) {
	head := []byte{'Q', 0, 0, 0, 0}
	binary.BigEndian.PutUint32(head[1:], uint32(len(text)+5))
	p.Write(append(append(head, text...), 0))
	p.finish()
}

func main() {
	port, next, pass := os.Args[1], os.Args[2], ""
	if len(os.Args) > 3 {
		pass = os.Args[3]
	}
	idle := make(chan postgres, 64)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	log := make(chan string, 1024)
	go func() {
		for id := range log {
			fmt.Println(id)
		}
	}()
	http.HandleFunc("/r/", func(w http.ResponseWriter, r *http.Request) {
		id := r.URL.Path[3:]
		log <- id
		if strings.HasPrefix(next, "pg") {
			var p postgres
			select {
			case p = <-idle:
			default:
				p = connect(next[2:])
			}
			p.query("SELECT 1 AS r_" + id)
			idle <- p
		} else {
			ask, _ := http.NewRequest("GET", "http://127.0.0.1:"+next+"/r/"+id, nil)
			if pass != "" && r.Header.Get(pass) != "" {
				ask.Header.Set(pass, r.Header.Get(pass))
			}
			response, err := client.Do(ask)
			if err != nil {
				panic(err)
			}
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
		io.WriteString(w, "ok\n")
	})
	panic(http.ListenAndServe("127.0.0.1:"+port, nil))
}
