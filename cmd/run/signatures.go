package run

import (
	"rookery/auth"
	"rookery/config"
)

// signatureSchemes makes the schemes of a bucket that know signed requests.
func signatureSchemes(a *config.BucketAuth) (schemes []auth.Scheme, err error) {
	if len(a.SigV4) > 0 {
		keys := make([]auth.SigV4Key, len(a.SigV4))
		for i, k := range a.SigV4 {
			keys[i] = auth.SigV4Key{AccessKey: k.AccessKey, Secret: string(k.SecretKey), Subject: k.Subject}
		}
		s, err := auth.NewSigV4(keys, nil)
		if err != nil {
			return nil, err
		}
		schemes = append(schemes, s)
	}
	if len(a.SignedURLs.Keys) > 0 {
		keys := make([]auth.SignedURLKey, len(a.SignedURLs.Keys))
		for i, k := range a.SignedURLs.Keys {
			keys[i] = auth.SignedURLKey{ID: k.ID, Secret: []byte(k.Secret)}
		}
		s, err := auth.NewSignedURLs(keys, a.SignedURLs.MaxExpiry, nil)
		if err != nil {
			return nil, err
		}
		schemes = append(schemes, s)
	}
	return schemes, nil
}
