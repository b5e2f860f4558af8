package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"

	hclv1 "github.com/hashicorp/hcl"
	"github.com/hashicorp/hcl/hcl/ast"
	"github.com/hashicorp/hcl/hcl/parser"
	"github.com/hashicorp/hcl/hcl/token"
)

type hclAnswer struct {
	Error   string `json:"error,omitempty"`
	Items   []any  `json:"items"`
	Decoded any    `json:"decoded,omitempty"`
	// What is wrong with it where nothing may be assigned twice.
	Strict string `json:"strict,omitempty"`
	// Why the tree could be read but not be made into values.
	DecodeError string `json:"decodeError,omitempty"`
}

// readHcl takes a JSON list of HCL texts on stdin and prints what hashicorp/hcl makes of each: the tree and the values.
func readHcl(_ []string) error {
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	var texts []string
	if err := json.Unmarshal(input, &texts); err != nil {
		return err
	}
	answers := make([]hclAnswer, len(texts))
	for i, text := range texts {
		answers[i] = readOneHcl(text)
	}
	return report(answers)
}

func readOneHcl(text string) (answer hclAnswer) {
	file, err := parser.ParseDontErrorOnDuplicateKeys([]byte(text))
	if err != nil {
		return hclAnswer{Error: err.Error()}
	}
	if _, err := parser.Parse([]byte(text)); err != nil {
		answer.Strict = err.Error()
	}
	// Literals that the scanner passes and nothing can read end in a panic.
	defer func() {
		if thrown := recover(); thrown != nil {
			answer = hclAnswer{Error: fmt.Sprint(thrown)}
		}
	}()
	answer.Items = hclItems(file.Node.(*ast.ObjectList))
	decoded := map[string]any{}
	if err := hclv1.DecodeObject(&decoded, file); err != nil {
		answer.DecodeError = err.Error()
		return answer
	}
	answer.Decoded = markBlocks(decoded)
	return answer
}

func hclItems(list *ast.ObjectList) []any {
	items := []any{}
	for _, item := range list.Items {
		keys := []any{}
		for _, key := range item.Keys {
			keys = append(keys, key.Token.Value())
		}
		items = append(items, map[string]any{"keys": keys, "value": hclNode(item.Val)})
	}
	return items
}

func hclNode(node ast.Node) map[string]any {
	switch n := node.(type) {
	case *ast.ObjectType:
		return map[string]any{"kind": "object", "items": hclItems(n.List)}
	case *ast.ListType:
		items := []any{}
		for _, item := range n.List {
			items = append(items, hclNode(item))
		}
		return map[string]any{"kind": "list", "items": items}
	case *ast.LiteralType:
		value := n.Token.Value()
		if n.Token.Type == token.NUMBER {
			// As a JSON number only what a double holds.
			if number := value.(int64); number > 1<<53-1 || number < 1-1<<53 {
				value = "big " + strconv.FormatInt(number, 10)
			}
		}
		return map[string]any{"kind": "literal", "value": value}
	}
	panic(fmt.Sprintf("unknown node %T", node))
}

// markBlocks tells lists that stand for blocks from lists that were written.
func markBlocks(value any) any {
	switch v := value.(type) {
	case map[string]any:
		marked := map[string]any{}
		for key, field := range v {
			marked[key] = markBlocks(field)
		}
		return marked
	case []map[string]any:
		blocks := []any{}
		for _, block := range v {
			blocks = append(blocks, markBlocks(block))
		}
		return map[string]any{"<blocks>": blocks}
	case []any:
		list := []any{}
		for _, item := range v {
			list = append(list, markBlocks(item))
		}
		return list
	}
	return value
}
