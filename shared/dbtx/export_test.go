package dbtx

// Numbers are the error numbers that have a class.
func Numbers() []uint16 {
	numbers := make([]uint16, 0, len(classes))
	for number := range classes {
		numbers = append(numbers, number)
	}
	return numbers
}

// Turns is how many transactions of the work are under way at a time.
func (w Work) Turns() int { return w.turnsMax }
