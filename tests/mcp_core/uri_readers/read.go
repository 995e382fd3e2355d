// net/url's reading of URIs: one in Base64 a line on stdin; its scheme, host, path and whole text a line on stdout, or "!".
package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
)

func main() {
	encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		text, _ := base64.StdEncoding.DecodeString(lines.Text())
		one, err := url.Parse(string(text))
		if err != nil {
			fmt.Println("!")
			continue
		}
		fmt.Println(encode(one.Scheme+":"), encode(one.Hostname()), encode(one.Opaque+one.Path), encode(one.String()))
	}
}
