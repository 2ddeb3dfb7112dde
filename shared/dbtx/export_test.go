package dbtx

// Numbers are the error numbers that have a class.
func Numbers() []uint16 {
	numbers := make([]uint16, 0, len(classes))
	for number := range classes {
		numbers = append(numbers, number)
	}
	return numbers
}

// Conns is how many connections the work has.
func (w Work) Conns() int { return w.connsMax }
