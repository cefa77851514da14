// SPDX-License-Identifier: Apache-2.0

// helm.go CHART RELEASE NAMESPACE [VALUES...]: what `helm template` prints of a chart, for where helm
// is not to be had: the same template language and functions, from Debian's libraries. VALUES is
// YAML that goes over the chart's values, top-level keys only.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"gopkg.in/yaml.v3"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "helm.go:", err)
		os.Exit(1)
	}
}

func read(path string) map[string]interface{} {
	out := map[string]interface{}{}
	text, err := os.ReadFile(path)
	must(err)
	must(yaml.Unmarshal(text, &out))
	return out
}

func toYaml(v interface{}) string {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	must(e.Encode(v))
	return strings.TrimSuffix(b.String(), "\n")
}

// capitalised, as templates name them
func chart(path string) map[string]interface{} {
	out := map[string]interface{}{}
	for k, v := range read(path) {
		out[strings.ToUpper(k[:1])+k[1:]] = v
	}
	return out
}

func main() {
	dir, release, namespace := os.Args[1], os.Args[2], os.Args[3]
	values := read(filepath.Join(dir, "values.yaml"))
	for _, over := range os.Args[4:] {
		more := map[string]interface{}{}
		must(yaml.Unmarshal([]byte(over), &more))
		for k, v := range more {
			values[k] = v
		}
	}
	name := filepath.Base(dir)
	data := func(base string) map[string]interface{} {
		return map[string]interface{}{
			"Values":   values,
			"Chart":    chart(filepath.Join(dir, "Chart.yaml")),
			"Release":  map[string]interface{}{"Name": release, "Namespace": namespace, "Service": "Helm"},
			"Template": map[string]interface{}{"BasePath": base},
		}
	}
	base := name + "/templates"
	all := template.New("chart").Option("missingkey=zero")
	funcs := sprig.TxtFuncMap()
	funcs["toYaml"] = toYaml
	funcs["include"] = func(n string, d interface{}) (string, error) {
		var b bytes.Buffer
		err := all.ExecuteTemplate(&b, n, d)
		return b.String(), err
	}
	all.Funcs(funcs)
	files, err := filepath.Glob(filepath.Join(dir, "templates", "*"))
	must(err)
	for _, f := range files {
		text, err := os.ReadFile(f)
		must(err)
		_, err = all.New(base + "/" + filepath.Base(f)).Parse(string(text))
		must(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f, ".yaml") {
			continue
		}
		var b bytes.Buffer
		must(all.ExecuteTemplate(&b, base+"/"+filepath.Base(f), data(base)))
		if strings.TrimSpace(b.String()) != "" {
			fmt.Printf("---\n# Source: %s/%s\n%s\n", base, filepath.Base(f), b.String())
		}
	}
}
