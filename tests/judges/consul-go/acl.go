package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/hashicorp/consul/api"
)

// judgeACL exercises tokens and what they may do on a server that has ACLs on.
func (j *judge) judgeACL(address, management string) {
	j.try("ACL.Bootstrap ACL.BootstrapWithToken", func() error {
		acl := connect(address, "").ACL()
		if management == "" {
			token, _, err := acl.Bootstrap()
			if err != nil {
				return err
			}
			management = token.SecretID
		}
		_, _, again := acl.Bootstrap()
		_, _, withToken := acl.BootstrapWithToken("3ef1a84c-6d4c-4a5f-9a0e-0f7e5a7e8a11")
		return first(expectError(again, "403", "ACL bootstrap no longer allowed"), expectError(withToken, "403"))
	})
	client := connect(address, management)
	acl := client.ACL()
	policy := j.judgePolicies(acl)
	role := j.judgeRoles(acl, policy)
	j.judgeTokens(address, acl, policy, role)
	j.judgeTemplates(acl)
	j.judgeAuthMethods(address, acl)
	for name, set := range tokenSetters(client.Agent()) {
		j.try("Agent."+name, func() error { _, err := set("", nil); return err })
	}
	j.try("ACL.Replication", func() error {
		status, _, err := acl.Replication(nil)
		return first(err, expect(!status.Enabled, "%+v", status))
	})
}

func (j *judge) judgePolicies(acl *api.ACL) *api.ACLPolicy {
	var policy *api.ACLPolicy
	j.try("ACL.PolicyCreate", func() error {
		var err error
		policy, _, err = acl.PolicyCreate(&api.ACLPolicy{Name: "judge-policy", Rules: `service_prefix "web" { policy = "write" } key "only" { policy = "read" } node_prefix "" { policy = "read" }`}, nil)
		return first(err, expect(policy != nil && policy.ID != "" && len(policy.Hash) > 0, "%+v", policy))
	})
	if policy == nil {
		policy = &api.ACLPolicy{}
	}
	j.try("ACL.PolicyCreate", func() error {
		_, _, err := acl.PolicyCreate(&api.ACLPolicy{Name: "judge-wrong", Rules: `service "x" { policy = "own" }`}, nil)
		return expectError(err, "400")
	})
	j.try("ACL.PolicyRead ACL.PolicyReadByName", func() error {
		byID, _, err := acl.PolicyRead(policy.ID, nil)
		byName, _, nameErr := acl.PolicyReadByName("judge-policy", nil)
		return first(err, nameErr, expect(byID.Rules == policy.Rules && byName.ID == policy.ID, "%+v %+v", byID, byName))
	})
	j.try("ACL.PolicyUpdate", func() error {
		changed := *policy
		changed.Description = "changed"
		got, _, err := acl.PolicyUpdate(&changed, nil)
		return first(err, expect(got.Description == "changed", "%+v", got))
	})
	j.try("ACL.PolicyList", func() error {
		list, _, err := acl.PolicyList(nil)
		return first(err, expect(len(list) >= 2, "%d policies", len(list)))
	})
	j.try("ACL.PolicyDelete", func() error {
		gone, _, err := acl.PolicyCreate(&api.ACLPolicy{Name: "judge-gone"}, nil)
		if err != nil {
			return err
		}
		_, err = acl.PolicyDelete(gone.ID, nil)
		_, _, readErr := acl.PolicyRead(gone.ID, nil)
		return first(err, expectError(readErr, "policy does not exist"))
	})
	return policy
}

func (j *judge) judgeRoles(acl *api.ACL, policy *api.ACLPolicy) *api.ACLRole {
	role := &api.ACLRole{}
	j.try("ACL.RoleCreate", func() error {
		created, _, err := acl.RoleCreate(&api.ACLRole{Name: "judge-role", Policies: []*api.ACLRolePolicyLink{{ID: policy.ID}},
			ServiceIdentities: []*api.ACLServiceIdentity{{ServiceName: "judge-service"}}}, nil)
		if err == nil {
			role = created
		}
		return first(err, expect(role.ID != "" && len(role.Policies) == 1 && role.Policies[0].Name == "judge-policy", "%+v", role))
	})
	j.try("ACL.RoleRead ACL.RoleReadByName", func() error {
		byID, _, err := acl.RoleRead(role.ID, nil)
		byName, _, nameErr := acl.RoleReadByName("judge-role", nil)
		return first(err, nameErr, expect(byID.Name == "judge-role" && byName.ID == role.ID, "%+v %+v", byID, byName))
	})
	j.try("ACL.RoleUpdate", func() error {
		changed := *role
		changed.Description = "changed"
		got, _, err := acl.RoleUpdate(&changed, nil)
		return first(err, expect(got.Description == "changed", "%+v", got))
	})
	j.try("ACL.RoleList", func() error {
		list, _, err := acl.RoleList(nil)
		return first(err, expect(len(list) == 1, "%d roles", len(list)))
	})
	j.try("ACL.RoleDelete", func() error {
		gone, _, err := acl.RoleCreate(&api.ACLRole{Name: "judge-gone", Policies: []*api.ACLRolePolicyLink{{ID: policy.ID}}}, nil)
		if err != nil {
			return err
		}
		_, err = acl.RoleDelete(gone.ID, nil)
		role, _, readErr := acl.RoleRead(gone.ID, nil)
		return first(err, readErr, expect(role == nil, "%v", role))
	})
	return role
}

func (j *judge) judgeTokens(address string, acl *api.ACL, policy *api.ACLPolicy, role *api.ACLRole) {
	token := &api.ACLToken{}
	j.try("ACL.TokenCreate", func() error {
		created, _, err := acl.TokenCreate(&api.ACLToken{Description: "judge", Policies: []*api.ACLTokenPolicyLink{{Name: "judge-policy"}},
			NodeIdentities: []*api.ACLNodeIdentity{{NodeName: "judge-node", Datacenter: "dc1"}}, ExpirationTTL: time.Hour}, nil)
		if err == nil {
			token = created
		}
		return first(err, expect(token.SecretID != "" && token.AccessorID != "" && token.ExpirationTime != nil, "%+v", token))
	})
	j.try("ACL.TokenCreate", func() error {
		own := connect(address, token.SecretID)
		_, denied := own.KV().Put(&api.KVPair{Key: "judge"}, nil)
		return first(expectError(denied, "403", "Permission denied", token.AccessorID, "key:write"), registerWith(own, "web-judge"),
			expectError(registerWith(own, "db-judge"), "403"))
	})
	j.try("ACL.TokenReadSelf", func() error {
		self, _, err := connect(address, token.SecretID).ACL().TokenReadSelf(nil)
		return first(err, expect(self.AccessorID == token.AccessorID, "%+v", self))
	})
	j.try("ACL.TokenReadSelf", func() error {
		_, _, err := connect(address, "a5bd0e11-0000-4000-8000-000000000000").ACL().TokenReadSelf(nil)
		return expectError(err, "403", "ACL not found")
	})
	j.try("ACL.TokenRead ACL.TokenReadExpanded", func() error {
		got, _, err := acl.TokenRead(token.AccessorID, nil)
		expanded, _, expandedErr := acl.TokenReadExpanded(token.AccessorID, nil)
		return first(err, expandedErr, expect(got.Description == "judge" && len(expanded.ExpandedPolicies) >= 1, "%+v %+v", got, expanded))
	})
	j.try("ACL.TokenUpdate", func() error {
		changed := *token
		changed.Description = "changed"
		changed.Roles = []*api.ACLTokenRoleLink{{ID: role.ID}}
		got, _, err := acl.TokenUpdate(&changed, nil)
		return first(err, expect(got.Description == "changed" && len(got.Roles) == 1, "%+v", got))
	})
	j.try("ACL.TokenClone", func() error {
		clone, _, err := acl.TokenClone(token.AccessorID, "a clone", nil)
		return first(err, expect(clone.AccessorID != token.AccessorID && clone.SecretID != token.SecretID && len(clone.Policies) == 1, "%+v", clone))
	})
	j.try("ACL.TokenList ACL.TokenListFiltered", func() error {
		list, _, err := acl.TokenList(nil)
		filtered, _, filterErr := acl.TokenListFiltered(api.ACLTokenFilterOptions{Policy: policy.ID}, nil)
		return first(err, filterErr, expect(len(list) >= 4 && len(filtered) == 2, "%d and %d tokens", len(list), len(filtered)))
	})
	j.try("ACL.TokenDelete", func() error {
		_, err := acl.TokenDelete(token.AccessorID, nil)
		_, _, readErr := connect(address, token.SecretID).ACL().TokenReadSelf(nil)
		return first(err, expectError(readErr, "403"))
	})
}

func registerWith(client *api.Client, service string) error {
	return client.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: service})
}

func (j *judge) judgeTemplates(acl *api.ACL) {
	j.try("ACL.TemplatedPolicyList ACL.TemplatedPolicyReadByName", func() error {
		list, _, err := acl.TemplatedPolicyList(nil)
		one, _, oneErr := acl.TemplatedPolicyReadByName("builtin/service", nil)
		return first(err, oneErr, expect(len(list) >= 5 && one.TemplateName == "builtin/service" && one.Template != "", "%v %+v", list, one))
	})
	j.try("ACL.TemplatedPolicyPreview", func() error {
		preview, _, err := acl.TemplatedPolicyPreview(&api.ACLTemplatedPolicy{TemplateName: "builtin/service",
			TemplateVariables: &api.ACLTemplatedPolicyVariables{Name: "judge"}}, nil)
		return first(err, expect(preview.Rules != "", "%+v", preview))
	})
}

// judgeAuthMethods logs in with a JWT that it signs itself.
func (j *judge) judgeAuthMethods(address string, acl *api.ACL) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		panic(err)
	}
	method := &api.ACLAuthMethod{Name: "judge-method", Type: "jwt", MaxTokenTTL: time.Hour, Config: map[string]any{
		"JWTValidationPubKeys": []string{string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))},
		"BoundIssuer":          "judge", "BoundAudiences": []string{"consul"}, "ClaimMappings": map[string]string{"team": "team"},
	}}
	j.try("ACL.AuthMethodCreate ACL.AuthMethodRead", func() error {
		_, _, err := acl.AuthMethodCreate(method, nil)
		got, _, readErr := acl.AuthMethodRead("judge-method", nil)
		none, _, noneErr := acl.AuthMethodRead("judge-none", nil)
		return first(err, readErr, noneErr, expect(got != nil && got.Type == "jwt" && got.MaxTokenTTL == time.Hour, "%+v", got), expect(none == nil, "%v", none))
	})
	j.try("ACL.AuthMethodUpdate", func() error {
		method.Description = "changed"
		got, _, err := acl.AuthMethodUpdate(method, nil)
		return first(err, expect(got.Description == "changed", "%+v", got))
	})
	j.try("ACL.AuthMethodList", func() error {
		list, _, err := acl.AuthMethodList(nil)
		return first(err, expect(len(list) == 1 && list[0].Name == "judge-method", "%v", list))
	})
	rule := &api.ACLBindingRule{AuthMethod: "judge-method", BindType: api.BindingRuleBindTypeService, BindName: "${value.team}-api", Selector: `value.team == "blue"`}
	j.try("ACL.BindingRuleCreate ACL.BindingRuleRead", func() error {
		created, _, err := acl.BindingRuleCreate(rule, nil)
		if err != nil {
			return err
		}
		rule = created
		got, _, err := acl.BindingRuleRead(rule.ID, nil)
		return first(err, expect(got != nil && got.BindName == "${value.team}-api", "%+v", got))
	})
	j.try("ACL.BindingRuleUpdate", func() error {
		changed := *rule
		changed.Description = "changed"
		got, _, err := acl.BindingRuleUpdate(&changed, nil)
		return first(err, expect(got.Description == "changed", "%+v", got))
	})
	j.try("ACL.BindingRuleList", func() error {
		list, _, err := acl.BindingRuleList("judge-method", nil)
		return first(err, expect(len(list) == 1, "%d rules", len(list)))
	})
	j.try("ACL.Login ACL.Logout", func() error {
		anonymous := connect(address, "").ACL()
		token, _, err := anonymous.Login(&api.ACLLoginParams{AuthMethod: "judge-method", BearerToken: signed(key, "blue"), Meta: map[string]string{"pod": "p"}}, nil)
		if err := first(err, expect(token != nil && token.SecretID != "" && len(token.ServiceIdentities) == 1 && token.ServiceIdentities[0].ServiceName == "blue-api", "%+v", token)); err != nil {
			return err
		}
		_, _, red := anonymous.Login(&api.ACLLoginParams{AuthMethod: "judge-method", BearerToken: signed(key, "red")}, nil)
		own := connect(address, token.SecretID).ACL()
		_, err = own.Logout(nil)
		_, _, readErr := own.TokenReadSelf(nil)
		return first(err, expectError(red, "403"), expectError(readErr, "403"))
	})
	j.try("ACL.BindingRuleDelete", func() error { _, err := acl.BindingRuleDelete(rule.ID, nil); return err })
	j.try("ACL.AuthMethodDelete", func() error { _, err := acl.AuthMethodDelete("judge-method", nil); return err })
}

func signed(key *ecdsa.PrivateKey, team string) string {
	encode := base64.RawURLEncoding.EncodeToString
	claims, err := json.Marshal(map[string]any{"iss": "judge", "aud": "consul", "sub": "s", "team": team,
		"iat": time.Now().Unix(), "nbf": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()})
	if err != nil {
		panic(err)
	}
	text := fmt.Sprintf("%s.%s", encode([]byte(`{"alg":"ES256","typ":"JWT"}`)), encode(claims))
	digest := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		panic(err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return text + "." + encode(signature)
}
