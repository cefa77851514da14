// SPDX-License-Identifier: Apache-2.0
// waits PORT REDIS [DEVICE]: as waits.c, a goroutine for each connection, in Go. DEVICE "late": each
// request is read 20 ms after the answer before it, by a loop of our own, since net/http has a
// goroutine that reads whatever comes at once.
package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

const debug = "*3\r\n$5\r\nDEBUG\r\n$5\r\nSLEEP\r\n$4\r\n0.02\r\n"
const block = 65536

var connect sync.Once
var redis net.Conn
var device *os.File
var at int64

func clock(id uintptr) int64 {
	var t syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, id, uintptr(unsafe.Pointer(&t)), 0)
	return t.Nano()
}

type measured struct {
	wall, cpu, delay int64
	tid              int
}

// All at one moment and of one thread: again, if the CPU was lost in between.
func measure() measured {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for {
		var ran, delay int64
		line := make([]byte, 128)
		m := measured{wall: clock(1), tid: syscall.Gettid()}
		fd, _ := syscall.Open("/proc/thread-self/schedstat", syscall.O_RDONLY, 0)
		n, _ := syscall.Read(fd, line)
		syscall.Close(fd)
		m.cpu = clock(3)
		fmt.Sscan(string(line[:n]), &ran, &delay)
		m.delay = delay
		if clock(1)-m.wall < 300000 {
			return m
		}
	}
}

func burn() {
	for end := clock(2) + int64(20*time.Millisecond); clock(2) < end; {
	}
}

func doze() {
	time.Sleep(20 * time.Millisecond)
}

func lock() {
	var mutex sync.Mutex
	held := make(chan bool)
	go func() {
		mutex.Lock()
		held <- true
		doze()
		mutex.Unlock()
	}()
	<-held
	mutex.Lock()
}

// From the end backwards: nothing is read ahead, and nothing twice.
func disk() {
	if device == nil {
		device, _ = os.Open(os.Args[3])
		at, _ = device.Seek(0, os.SEEK_END)
		at -= 4 * block
	}
	at -= block
	if n, err := device.ReadAt(make([]byte, block), at); n != block {
		panic(err)
	}
}

func call() {
	answer := make([]byte, 64)
	connect.Do(func() { redis, _ = net.Dial("tcp", "127.0.0.1:"+os.Args[2]) })
	redis.Write([]byte(debug))
	redis.Read(answer)
}

var work = map[string]func(){"/burn": burn, "/sleep": doze, "/lock": lock, "/disk": disk, "/call": call}

func handle(w http.ResponseWriter, r *http.Request) {
	a := measure()
	work[r.URL.Path]()
	b := measure()
	fmt.Fprintf(w, "{\"wall\":%d,\"cpu\":%d,\"delay\":%d,\"stayed\":%v}", b.wall-a.wall,
		b.cpu-a.cpu, b.delay-a.delay, a.tid == b.tid)
}

// from, till: when a request was read at the soonest, and at the latest.
func late(c net.Conn) {
	for in := bufio.NewReader(c); ; {
		doze()
		from := clock(1)
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		body := fmt.Sprintf("{\"from\":%d,\"till\":%d}", from, clock(1))
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		panic(err)
	}
	if len(os.Args) < 4 || os.Args[3] != "late" {
		http.Serve(listener, http.HandlerFunc(handle))
	}
	for {
		c, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go late(c)
	}
}
