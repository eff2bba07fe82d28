package auth

import "math/big"

// rocaPrimes are small primes modulo which the keys of the weak generator are powers
// of 65537 (Nemec et al., "The Return of Coppersmith's Attack", CCS 2017). Of other
// keys fewer than one in a hundred million are powers modulo all of them.
var rocaPrimes = []int64{
	11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
}

// isROCA reports whether a modulus bears that mark.
func isROCA(n *big.Int) bool {
	for _, p := range rocaPrimes {
		if !isPower(new(big.Int).Mod(n, big.NewInt(p)).Int64(), 65537%p, p) {
			return false
		}
	}
	return true
}

// isPower reports whether n is a power of g modulo p.
func isPower(n, g, p int64) bool {
	power := int64(1)
	for range p {
		if power == n {
			return true
		}
		power = power * g % p
	}
	return false
}
