package web

import "github.com/gin-gonic/gin"

// HeadHealthz is GetHealthz without its body, which the server leaves out. Load balancers ask by
// HEAD.
func (h Health) HeadHealthz(c *gin.Context) { h.GetHealthz(c) }

// HeadReadyz is GetReadyz without its body.
func (h Health) HeadReadyz(c *gin.Context) { h.GetReadyz(c) }

// HeadMetrics is GetMetrics without its body.
func (h Health) HeadMetrics(c *gin.Context) { h.GetMetrics(c) }
