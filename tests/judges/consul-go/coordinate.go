package main

import "github.com/hashicorp/serf/coordinate"

// newCoordinate is that of a node that has measured nothing yet.
func newCoordinate() *coordinate.Coordinate {
	return coordinate.NewCoordinate(coordinate.DefaultConfig())
}
